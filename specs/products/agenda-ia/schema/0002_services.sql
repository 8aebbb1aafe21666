-- Agenda IA: where the business works and what it offers.

SET NAMES utf8mb4;

CREATE TABLE locations (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    name         VARCHAR(200)    NOT NULL,
    address_line VARCHAR(255)    NULL,
    city         VARCHAR(120)    NULL,
    region       VARCHAR(120)    NULL,
    postal_code  VARCHAR(16)     NULL,
    country      CHAR(2)         NOT NULL DEFAULT 'MX',
    phone        VARCHAR(32)     NULL,
    timezone     VARCHAR(64)     NULL, -- NULL: the business's
    active       BOOLEAN         NOT NULL DEFAULT TRUE,
    created_at   DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_locations_name (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE resources (
    id          BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
    location_id BIGINT UNSIGNED   NOT NULL,
    name        VARCHAR(200)      NOT NULL,
    kind        VARCHAR(16)       NOT NULL DEFAULT 'room',
    capacity    SMALLINT UNSIGNED NOT NULL DEFAULT 1,
    active      BOOLEAN           NOT NULL DEFAULT TRUE,
    PRIMARY KEY (id),
    UNIQUE KEY uq_resources_name (location_id, name),
    CONSTRAINT fk_resources_location FOREIGN KEY (location_id) REFERENCES locations (id),
    CONSTRAINT chk_resources_kind CHECK (kind IN ('room', 'chair', 'equipment', 'vehicle')),
    CONSTRAINT chk_resources_capacity CHECK (capacity >= 1)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- First rows: seeds/service_categories.yaml
CREATE TABLE service_categories (
    id         BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
    code       VARCHAR(64)       NOT NULL,
    name       VARCHAR(120)      NOT NULL,
    sort_order SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    UNIQUE KEY uq_service_categories_code (code)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE services (
    id               BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
    category_id      BIGINT UNSIGNED   NULL,
    code             VARCHAR(64)       NOT NULL,
    name             VARCHAR(200)      NOT NULL,
    description      TEXT              NULL,
    duration_minutes SMALLINT UNSIGNED NOT NULL,
    buffer_minutes   SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    price_cents      INT UNSIGNED      NOT NULL DEFAULT 0,
    online_booking   BOOLEAN           NOT NULL DEFAULT TRUE,
    active           BOOLEAN           NOT NULL DEFAULT TRUE,
    created_at       DATETIME          NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at       DATETIME          NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_services_code (code),
    KEY ix_services_category (category_id),
    CONSTRAINT fk_services_category FOREIGN KEY (category_id) REFERENCES service_categories (id) ON DELETE SET NULL,
    CONSTRAINT chk_services_duration CHECK (duration_minutes BETWEEN 5 AND 1440)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
