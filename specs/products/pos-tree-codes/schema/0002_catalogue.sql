-- POS Tree Codes: what is sold. Deleted rows stay with `deleted_at`, so that devices hear of it.

SET NAMES utf8mb4;

CREATE TABLE taxes (
    code         VARCHAR(16)   NOT NULL,
    name         VARCHAR(100)  NOT NULL,
    rate_percent DECIMAL(6, 3) NOT NULL,
    active       BOOLEAN       NOT NULL DEFAULT TRUE,
    PRIMARY KEY (code),
    CONSTRAINT chk_taxes_rate CHECK (rate_percent BETWEEN 0 AND 100)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE categories (
    id         CHAR(36)          CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    parent_id  CHAR(36)          CHARACTER SET ascii COLLATE ascii_bin NULL,
    name       VARCHAR(120)      NOT NULL,
    sort_order SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    updated_at DATETIME          NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    deleted_at DATETIME          NULL,
    PRIMARY KEY (id),
    KEY ix_categories_parent (parent_id),
    CONSTRAINT fk_categories_parent FOREIGN KEY (parent_id) REFERENCES categories (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE products (
    id          CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    category_id CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NULL,
    tax_code    VARCHAR(16)  NOT NULL,
    sku         VARCHAR(64)  NOT NULL,
    name        VARCHAR(200) NOT NULL,
    unit        VARCHAR(8)   NOT NULL DEFAULT 'pc',
    tracked     BOOLEAN      NOT NULL DEFAULT TRUE,
    active      BOOLEAN      NOT NULL DEFAULT TRUE,
    version     INT UNSIGNED NOT NULL DEFAULT 1,
    created_at  DATETIME     NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at  DATETIME     NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    deleted_at  DATETIME     NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_products_sku (sku),
    KEY ix_products_category (category_id),
    KEY ix_products_tax (tax_code),
    KEY ix_products_name (name),
    CONSTRAINT fk_products_category FOREIGN KEY (category_id) REFERENCES categories (id) ON DELETE SET NULL,
    CONSTRAINT fk_products_tax FOREIGN KEY (tax_code) REFERENCES taxes (code),
    CONSTRAINT chk_products_unit CHECK (unit IN ('pc', 'kg', 'l', 'm', 'box'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- The codes that a cashier types when there is no barcode: each digit goes one level down (1 fruit, 14
-- citrus, 142 limes). A node is a branch, or a leaf with a product.
CREATE TABLE tree_codes (
    code        VARCHAR(16)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    parent_code VARCHAR(16)      CHARACTER SET ascii COLLATE ascii_bin NULL,
    product_id  CHAR(36)         CHARACTER SET ascii COLLATE ascii_bin NULL,
    label       VARCHAR(120)     NOT NULL,
    depth       TINYINT UNSIGNED NOT NULL,
    updated_at  DATETIME         NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (code),
    KEY ix_tree_codes_parent (parent_code),
    KEY ix_tree_codes_product (product_id),
    CONSTRAINT fk_tree_codes_parent FOREIGN KEY (parent_code) REFERENCES tree_codes (code),
    CONSTRAINT fk_tree_codes_product FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT chk_tree_codes_depth CHECK (depth BETWEEN 1 AND 16)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- `quantity` is what one scan sells: 6 for the barcode of a six-pack.
CREATE TABLE barcodes (
    barcode    VARCHAR(48)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    product_id CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    symbology  VARCHAR(16)    NOT NULL DEFAULT 'ean13',
    quantity   DECIMAL(12, 3) NOT NULL DEFAULT 1,
    PRIMARY KEY (barcode),
    KEY ix_barcodes_product (product_id),
    CONSTRAINT fk_barcodes_product FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE,
    CONSTRAINT chk_barcodes_quantity CHECK (quantity > 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE price_lists (
    code     VARCHAR(32)  NOT NULL,
    name     VARCHAR(120) NOT NULL,
    currency CHAR(3)      NOT NULL DEFAULT 'MXN',
    active   BOOLEAN      NOT NULL DEFAULT TRUE,
    PRIMARY KEY (code)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Taxes included. Of several rows the one with the greatest `min_quantity` that is reached counts.
CREATE TABLE prices (
    price_list_code VARCHAR(32)    NOT NULL,
    product_id      CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    min_quantity    DECIMAL(12, 3) NOT NULL DEFAULT 1,
    price_cents     INT UNSIGNED   NOT NULL,
    updated_at      DATETIME       NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (price_list_code, product_id, min_quantity),
    KEY ix_prices_product (product_id),
    CONSTRAINT fk_prices_list FOREIGN KEY (price_list_code) REFERENCES price_lists (code),
    CONSTRAINT fk_prices_product FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE,
    CONSTRAINT chk_prices_quantity CHECK (min_quantity > 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE customers (
    id                 CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    price_list_code    VARCHAR(32)  NULL,
    name               VARCHAR(200) NOT NULL,
    tax_id             VARCHAR(32)  NULL,
    email              VARCHAR(254) NULL,
    phone              VARCHAR(32)  NULL,
    credit_limit_cents INT UNSIGNED NOT NULL DEFAULT 0,
    version            INT UNSIGNED NOT NULL DEFAULT 1,
    updated_at         DATETIME     NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    deleted_at         DATETIME     NULL,
    PRIMARY KEY (id),
    KEY ix_customers_name (name),
    KEY ix_customers_phone (phone),
    KEY ix_customers_price_list (price_list_code),
    CONSTRAINT fk_customers_price_list FOREIGN KEY (price_list_code) REFERENCES price_lists (code)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
