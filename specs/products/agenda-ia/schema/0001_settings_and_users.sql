-- Agenda IA: plans, the business's own settings, and who may log in.
--
-- The files of this folder are read in the order of their names, once, into an empty database, as the
-- tenant's own account. Put new tables in a new file with the next number.
--
-- All DATETIME values are UTC; an application sets time_zone = '+00:00' on its connections.
-- Amounts of money are whole cents.

SET NAMES utf8mb4;

-- Filled from `plans` in product.yaml; `code` is the natural key. A plan that leaves the catalogue becomes
-- inactive and is never deleted.
CREATE TABLE plans (
    id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    code          VARCHAR(64)     NOT NULL,
    name          VARCHAR(200)    NOT NULL,
    price_cents   INT UNSIGNED    NOT NULL,
    currency      CHAR(3)         NOT NULL,
    interval_unit VARCHAR(16)     NOT NULL,
    limits        JSON            NOT NULL,
    active        BOOLEAN         NOT NULL DEFAULT TRUE,
    created_at    DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at    DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_plans_code (code),
    CONSTRAINT chk_plans_interval_unit CHECK (interval_unit IN ('day', 'week', 'month', 'year'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- One row, id 1, filled from the tenant's spec. The columns below `plan_code` belong to the application.
CREATE TABLE business_settings (
    id                   TINYINT UNSIGNED  NOT NULL DEFAULT 1,
    display_name         VARCHAR(200)      NOT NULL,
    locale               VARCHAR(35)       NOT NULL,
    timezone             VARCHAR(64)       NOT NULL,
    domain               VARCHAR(253)      NULL,
    plan_code            VARCHAR(64)       NULL,
    currency             CHAR(3)           NOT NULL DEFAULT 'MXN',
    slot_minutes         SMALLINT UNSIGNED NOT NULL DEFAULT 15,
    min_notice_minutes   INT UNSIGNED      NOT NULL DEFAULT 120,
    booking_window_days  SMALLINT UNSIGNED NOT NULL DEFAULT 60,
    cancel_notice_hours  SMALLINT UNSIGNED NOT NULL DEFAULT 24,
    assistant_enabled    BOOLEAN           NOT NULL DEFAULT TRUE,
    created_at           DATETIME          NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at           DATETIME          NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    KEY ix_business_settings_plan (plan_code),
    CONSTRAINT fk_business_settings_plan FOREIGN KEY (plan_code) REFERENCES plans (code),
    CONSTRAINT chk_business_settings_one_row CHECK (id = 1),
    CONSTRAINT chk_business_settings_slot CHECK (slot_minutes BETWEEN 5 AND 480)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Filled by seeds/roles.yaml, before the first user.
CREATE TABLE roles (
    code        VARCHAR(32)  NOT NULL,
    name        VARCHAR(100) NOT NULL,
    permissions JSON         NOT NULL,
    built_in    BOOLEAN      NOT NULL DEFAULT FALSE,
    created_at  DATETIME     NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (code)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- `provision_key` is set only for users that the tenant's spec made ('admin'): they are found by it again
-- after their e-mail changed. `password_hash` is a PHC string such as $argon2id$v=19$m=65536,t=3,p=4$...
CREATE TABLE users (
    id                   BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    name                 VARCHAR(200)    NOT NULL,
    email                VARCHAR(254)    NOT NULL,
    password_hash        VARCHAR(255)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    role                 VARCHAR(32)     NOT NULL,
    must_change_password BOOLEAN         NOT NULL DEFAULT FALSE,
    password_changed_at  DATETIME        NULL,
    provision_key        VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NULL,
    active               BOOLEAN         NOT NULL DEFAULT TRUE,
    last_login_at        DATETIME        NULL,
    created_at           DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at           DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_users_email (email),
    UNIQUE KEY uq_users_provision_key (provision_key),
    KEY ix_users_role (role),
    CONSTRAINT fk_users_role FOREIGN KEY (role) REFERENCES roles (code),
    CONSTRAINT chk_users_email CHECK (email LIKE '%_@_%')
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Web logins and API tokens. Only the SHA-256 of a token is kept.
CREATE TABLE sessions (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    user_id      BIGINT UNSIGNED NOT NULL,
    kind         VARCHAR(16)     NOT NULL DEFAULT 'web',
    label        VARCHAR(100)    NULL,
    token_sha256 CHAR(64)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    ip_address   VARCHAR(45)     NULL,
    user_agent   VARCHAR(255)    NULL,
    created_at   DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_used_at DATETIME        NULL,
    expires_at   DATETIME        NOT NULL,
    revoked_at   DATETIME        NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_sessions_token (token_sha256),
    KEY ix_sessions_user (user_id),
    KEY ix_sessions_expires (expires_at),
    CONSTRAINT fk_sessions_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT chk_sessions_kind CHECK (kind IN ('web', 'api'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE audit_log (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    user_id    BIGINT UNSIGNED NULL,
    event      VARCHAR(64)     NOT NULL,
    entity     VARCHAR(64)     NOT NULL,
    entity_id  BIGINT UNSIGNED NULL,
    details    JSON            NULL,
    ip_address VARCHAR(45)     NULL,
    created_at DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    KEY ix_audit_log_user (user_id),
    KEY ix_audit_log_entity (entity, entity_id),
    KEY ix_audit_log_created (created_at),
    CONSTRAINT fk_audit_log_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
