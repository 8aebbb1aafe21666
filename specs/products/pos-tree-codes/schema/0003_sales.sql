-- POS Tree Codes: what devices send up. A sale is never changed; a return is a sale with negative lines.

SET NAMES utf8mb4;

CREATE TABLE cash_sessions (
    id             CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    device_id      CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    cashier        VARCHAR(120) NOT NULL,
    opened_at      DATETIME     NOT NULL,
    closed_at      DATETIME     NULL,
    float_cents    INT UNSIGNED NOT NULL DEFAULT 0,
    expected_cents INT          NULL,
    counted_cents  INT          NULL,
    PRIMARY KEY (id),
    KEY ix_cash_sessions_device (device_id, opened_at),
    CONSTRAINT fk_cash_sessions_device FOREIGN KEY (device_id) REFERENCES devices (id),
    CONSTRAINT chk_cash_sessions_order CHECK (opened_at <= closed_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE sales (
    id              CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    device_id       CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    cash_session_id CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    batch_id        CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NULL,
    store_id        CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    customer_id     CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NULL,
    ticket_number   INT UNSIGNED NOT NULL, -- counts a device's tickets, without a gap
    returned_sale   CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NULL,
    currency        CHAR(3)      NOT NULL DEFAULT 'MXN',
    total_cents     INT          NOT NULL,
    tax_cents       INT          NOT NULL,
    sold_at         DATETIME     NOT NULL,
    received_at     DATETIME     NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_sales_ticket (device_id, ticket_number),
    KEY ix_sales_store_day (store_id, sold_at),
    KEY ix_sales_cash_session (cash_session_id),
    KEY ix_sales_batch (batch_id),
    KEY ix_sales_customer (customer_id),
    KEY ix_sales_returned (returned_sale),
    CONSTRAINT fk_sales_device FOREIGN KEY (device_id) REFERENCES devices (id),
    CONSTRAINT fk_sales_cash_session FOREIGN KEY (cash_session_id) REFERENCES cash_sessions (id),
    CONSTRAINT fk_sales_batch FOREIGN KEY (batch_id) REFERENCES sync_batches (id),
    CONSTRAINT fk_sales_store FOREIGN KEY (store_id) REFERENCES stores (id),
    CONSTRAINT fk_sales_customer FOREIGN KEY (customer_id) REFERENCES customers (id),
    CONSTRAINT fk_sales_returned FOREIGN KEY (returned_sale) REFERENCES sales (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE sale_lines (
    sale_id        CHAR(36)          CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    line_number    SMALLINT UNSIGNED NOT NULL,
    product_id     CHAR(36)          CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    description    VARCHAR(200)      NOT NULL,
    quantity       DECIMAL(12, 3)    NOT NULL,
    price_cents    INT UNSIGNED      NOT NULL,
    discount_cents INT UNSIGNED      NOT NULL DEFAULT 0,
    tax_code       VARCHAR(16)       NOT NULL,
    total_cents    INT               NOT NULL,
    PRIMARY KEY (sale_id, line_number),
    KEY ix_sale_lines_product (product_id),
    KEY ix_sale_lines_tax (tax_code),
    CONSTRAINT fk_sale_lines_sale FOREIGN KEY (sale_id) REFERENCES sales (id) ON DELETE CASCADE,
    CONSTRAINT fk_sale_lines_product FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT fk_sale_lines_tax FOREIGN KEY (tax_code) REFERENCES taxes (code),
    CONSTRAINT chk_sale_lines_quantity CHECK (quantity <> 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE payments (
    id           CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sale_id      CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    method       VARCHAR(16)  NOT NULL,
    amount_cents INT          NOT NULL,
    change_cents INT UNSIGNED NOT NULL DEFAULT 0,
    reference    VARCHAR(120) NULL,
    paid_at      DATETIME     NOT NULL,
    PRIMARY KEY (id),
    KEY ix_payments_sale (sale_id),
    KEY ix_payments_method (method, paid_at),
    CONSTRAINT fk_payments_sale FOREIGN KEY (sale_id) REFERENCES sales (id) ON DELETE CASCADE,
    CONSTRAINT chk_payments_method CHECK (method IN ('cash', 'card', 'transfer', 'voucher', 'credit'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- The sum of `stock_moves`, kept by a trigger.
CREATE TABLE stock_levels (
    store_id   CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    product_id CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    quantity   DECIMAL(14, 3) NOT NULL DEFAULT 0,
    minimum    DECIMAL(14, 3) NOT NULL DEFAULT 0,
    updated_at DATETIME       NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (store_id, product_id),
    KEY ix_stock_levels_product (product_id),
    CONSTRAINT fk_stock_levels_store FOREIGN KEY (store_id) REFERENCES stores (id),
    CONSTRAINT fk_stock_levels_product FOREIGN KEY (product_id) REFERENCES products (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE stock_moves (
    id         CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    store_id   CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    product_id CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    device_id  CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sale_id    CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NULL,
    reason     VARCHAR(16)    NOT NULL,
    quantity   DECIMAL(12, 3) NOT NULL, -- positive: into the store
    moved_at   DATETIME       NOT NULL,
    PRIMARY KEY (id),
    KEY ix_stock_moves_product (store_id, product_id, moved_at),
    KEY ix_stock_moves_product_only (product_id),
    KEY ix_stock_moves_device (device_id),
    KEY ix_stock_moves_sale (sale_id),
    CONSTRAINT fk_stock_moves_store FOREIGN KEY (store_id) REFERENCES stores (id),
    CONSTRAINT fk_stock_moves_product FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT fk_stock_moves_device FOREIGN KEY (device_id) REFERENCES devices (id),
    CONSTRAINT fk_stock_moves_sale FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT chk_stock_moves_reason CHECK (reason IN ('sale', 'return', 'purchase', 'count', 'waste', 'transfer')),
    CONSTRAINT chk_stock_moves_quantity CHECK (quantity <> 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
