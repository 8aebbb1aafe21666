-- Agenda IA: who works when.

SET NAMES utf8mb4;

CREATE TABLE staff (
    id                 BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    user_id            BIGINT UNSIGNED NULL, -- NULL: does not log in
    location_id        BIGINT UNSIGNED NOT NULL,
    display_name       VARCHAR(200)    NOT NULL,
    title              VARCHAR(100)    NULL,
    email              VARCHAR(254)    NULL,
    phone              VARCHAR(32)     NULL,
    color              CHAR(7)         NULL,
    commission_percent DECIMAL(5, 2)   NOT NULL DEFAULT 0,
    active             BOOLEAN         NOT NULL DEFAULT TRUE,
    created_at         DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_staff_user (user_id),
    KEY ix_staff_location (location_id),
    CONSTRAINT fk_staff_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT fk_staff_location FOREIGN KEY (location_id) REFERENCES locations (id),
    CONSTRAINT chk_staff_commission CHECK (commission_percent BETWEEN 0 AND 100)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- NULL price or duration: the service's.
CREATE TABLE staff_services (
    staff_id         BIGINT UNSIGNED   NOT NULL,
    service_id       BIGINT UNSIGNED   NOT NULL,
    price_cents      INT UNSIGNED      NULL,
    duration_minutes SMALLINT UNSIGNED NULL,
    PRIMARY KEY (staff_id, service_id),
    KEY ix_staff_services_service (service_id),
    CONSTRAINT fk_staff_services_staff FOREIGN KEY (staff_id) REFERENCES staff (id) ON DELETE CASCADE,
    CONSTRAINT fk_staff_services_service FOREIGN KEY (service_id) REFERENCES services (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Wall clock of the location; weekday 1 is Monday. Two rows a day make a lunch break.
CREATE TABLE working_hours (
    id          BIGINT UNSIGNED  NOT NULL AUTO_INCREMENT,
    staff_id    BIGINT UNSIGNED  NOT NULL,
    location_id BIGINT UNSIGNED  NOT NULL,
    weekday     TINYINT UNSIGNED NOT NULL,
    opens_at    TIME             NOT NULL,
    closes_at   TIME             NOT NULL,
    valid_from  DATE             NULL,
    valid_until DATE             NULL,
    PRIMARY KEY (id),
    KEY ix_working_hours_staff (staff_id, weekday),
    KEY ix_working_hours_location (location_id),
    CONSTRAINT fk_working_hours_staff FOREIGN KEY (staff_id) REFERENCES staff (id) ON DELETE CASCADE,
    CONSTRAINT fk_working_hours_location FOREIGN KEY (location_id) REFERENCES locations (id),
    CONSTRAINT chk_working_hours_weekday CHECK (weekday BETWEEN 1 AND 7),
    CONSTRAINT chk_working_hours_order CHECK (opens_at < closes_at),
    CONSTRAINT chk_working_hours_valid CHECK (valid_from <= valid_until)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE time_off (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    staff_id   BIGINT UNSIGNED NOT NULL,
    starts_at  DATETIME        NOT NULL,
    ends_at    DATETIME        NOT NULL,
    kind       VARCHAR(16)     NOT NULL DEFAULT 'vacation',
    note       VARCHAR(255)    NULL,
    created_at DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    KEY ix_time_off_staff (staff_id, starts_at),
    CONSTRAINT fk_time_off_staff FOREIGN KEY (staff_id) REFERENCES staff (id) ON DELETE CASCADE,
    CONSTRAINT chk_time_off_kind CHECK (kind IN ('vacation', 'sick', 'training', 'personal')),
    CONSTRAINT chk_time_off_order CHECK (starts_at < ends_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- First rows: seeds/holidays.yaml. The application takes those of its locale's country.
CREATE TABLE holidays (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    country      CHAR(2)         NOT NULL,
    holiday_date DATE            NOT NULL,
    name         VARCHAR(120)    NOT NULL,
    closed       BOOLEAN         NOT NULL DEFAULT TRUE,
    PRIMARY KEY (id),
    UNIQUE KEY uq_holidays_date (country, holiday_date)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
