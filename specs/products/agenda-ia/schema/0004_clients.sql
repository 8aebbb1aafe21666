-- Agenda IA: the people who book.

SET NAMES utf8mb4;

CREATE TABLE clients (
    id                BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    name              VARCHAR(200)    NOT NULL,
    email             VARCHAR(254)    NULL,
    phone             VARCHAR(32)     NULL, -- E.164, as messaging channels want it
    locale            VARCHAR(35)     NULL,
    birth_date        DATE            NULL,
    tax_id            VARCHAR(32)     NULL,
    notes             TEXT            NULL,
    preferred_staff   BIGINT UNSIGNED NULL,
    marketing_consent BOOLEAN         NOT NULL DEFAULT FALSE,
    blocked           BOOLEAN         NOT NULL DEFAULT FALSE,
    created_at        DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at        DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    KEY ix_clients_phone (phone), -- not unique: a mother books for her children
    KEY ix_clients_email (email),
    KEY ix_clients_name (name),
    KEY ix_clients_preferred_staff (preferred_staff),
    CONSTRAINT fk_clients_preferred_staff FOREIGN KEY (preferred_staff) REFERENCES staff (id) ON DELETE SET NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE client_tags (
    client_id BIGINT UNSIGNED NOT NULL,
    tag       VARCHAR(64)     NOT NULL,
    PRIMARY KEY (client_id, tag),
    KEY ix_client_tags_tag (tag),
    CONSTRAINT fk_client_tags_client FOREIGN KEY (client_id) REFERENCES clients (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
