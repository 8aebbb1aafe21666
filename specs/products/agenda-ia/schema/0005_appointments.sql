-- Agenda IA: appointments, and what reminds people of them.

SET NAMES utf8mb4;

CREATE TABLE appointments (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    client_id      BIGINT UNSIGNED NOT NULL,
    staff_id       BIGINT UNSIGNED NOT NULL,
    location_id    BIGINT UNSIGNED NOT NULL,
    resource_id    BIGINT UNSIGNED NULL,
    starts_at      DATETIME        NOT NULL,
    ends_at        DATETIME        NOT NULL,
    status         VARCHAR(16)     NOT NULL DEFAULT 'pending',
    channel        VARCHAR(16)     NOT NULL DEFAULT 'desk',
    discount_cents INT UNSIGNED    NOT NULL DEFAULT 0,
    notes          TEXT            NULL,
    updated_by     BIGINT UNSIGNED NULL, -- NULL: the assistant, or the client
    created_at     DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at     DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    KEY ix_appointments_staff (staff_id, starts_at),
    KEY ix_appointments_client (client_id, starts_at),
    KEY ix_appointments_location (location_id, starts_at),
    KEY ix_appointments_resource (resource_id, starts_at),
    KEY ix_appointments_status (status, starts_at),
    KEY ix_appointments_updated_by (updated_by),
    CONSTRAINT fk_appointments_client FOREIGN KEY (client_id) REFERENCES clients (id),
    CONSTRAINT fk_appointments_staff FOREIGN KEY (staff_id) REFERENCES staff (id),
    CONSTRAINT fk_appointments_location FOREIGN KEY (location_id) REFERENCES locations (id),
    CONSTRAINT fk_appointments_resource FOREIGN KEY (resource_id) REFERENCES resources (id) ON DELETE SET NULL,
    CONSTRAINT fk_appointments_updated_by FOREIGN KEY (updated_by) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT chk_appointments_order CHECK (starts_at < ends_at),
    CONSTRAINT chk_appointments_status CHECK (
        status IN ('pending', 'confirmed', 'arrived', 'completed', 'cancelled', 'no_show')
    ),
    CONSTRAINT chk_appointments_channel CHECK (channel IN ('desk', 'web', 'phone', 'whatsapp', 'assistant'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Price and duration are copied from the service when it is booked: a later price list changes no visit.
CREATE TABLE appointment_services (
    id               BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
    appointment_id   BIGINT UNSIGNED   NOT NULL,
    service_id       BIGINT UNSIGNED   NOT NULL,
    quantity         SMALLINT UNSIGNED NOT NULL DEFAULT 1,
    price_cents      INT UNSIGNED      NOT NULL,
    duration_minutes SMALLINT UNSIGNED NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_appointment_services (appointment_id, service_id),
    KEY ix_appointment_services_service (service_id),
    CONSTRAINT fk_appointment_services_appointment FOREIGN KEY (appointment_id)
        REFERENCES appointments (id) ON DELETE CASCADE,
    CONSTRAINT fk_appointment_services_service FOREIGN KEY (service_id) REFERENCES services (id),
    CONSTRAINT chk_appointment_services_quantity CHECK (quantity >= 1)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Written by triggers only.
CREATE TABLE appointment_history (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    appointment_id BIGINT UNSIGNED NOT NULL,
    old_status     VARCHAR(16)     NULL,
    new_status     VARCHAR(16)     NOT NULL,
    old_starts_at  DATETIME        NULL,
    new_starts_at  DATETIME        NOT NULL,
    changed_by     BIGINT UNSIGNED NULL,
    changed_at     DATETIME        NOT NULL,
    PRIMARY KEY (id),
    KEY ix_appointment_history_appointment (appointment_id, changed_at),
    KEY ix_appointment_history_user (changed_by),
    CONSTRAINT fk_appointment_history_appointment FOREIGN KEY (appointment_id)
        REFERENCES appointments (id) ON DELETE CASCADE,
    CONSTRAINT fk_appointment_history_user FOREIGN KEY (changed_by) REFERENCES users (id) ON DELETE SET NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE waitlist (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    client_id      BIGINT UNSIGNED NOT NULL,
    service_id     BIGINT UNSIGNED NOT NULL,
    staff_id       BIGINT UNSIGNED NULL,
    earliest_date  DATE            NOT NULL,
    latest_date    DATE            NOT NULL,
    status         VARCHAR(16)     NOT NULL DEFAULT 'waiting',
    appointment_id BIGINT UNSIGNED NULL,
    created_at     DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    KEY ix_waitlist_open (status, earliest_date),
    KEY ix_waitlist_client (client_id),
    KEY ix_waitlist_service (service_id),
    KEY ix_waitlist_staff (staff_id),
    KEY ix_waitlist_appointment (appointment_id),
    CONSTRAINT fk_waitlist_client FOREIGN KEY (client_id) REFERENCES clients (id) ON DELETE CASCADE,
    CONSTRAINT fk_waitlist_service FOREIGN KEY (service_id) REFERENCES services (id) ON DELETE CASCADE,
    CONSTRAINT fk_waitlist_staff FOREIGN KEY (staff_id) REFERENCES staff (id) ON DELETE SET NULL,
    CONSTRAINT fk_waitlist_appointment FOREIGN KEY (appointment_id) REFERENCES appointments (id) ON DELETE SET NULL,
    CONSTRAINT chk_waitlist_status CHECK (status IN ('waiting', 'offered', 'booked', 'expired')),
    CONSTRAINT chk_waitlist_order CHECK (earliest_date <= latest_date)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- First rows: seeds/reminder_templates.yaml. `body` has {{client}}, {{business}}, {{service}}, {{date}}, {{time}}.
CREATE TABLE reminder_templates (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    code           VARCHAR(64)     NOT NULL,
    locale         VARCHAR(35)     NOT NULL,
    channel        VARCHAR(16)     NOT NULL,
    subject        VARCHAR(200)    NULL,
    body           TEXT            NOT NULL,
    offset_minutes INT             NULL, -- from the start of the appointment; NULL: when it is booked
    active         BOOLEAN         NOT NULL DEFAULT TRUE,
    created_at     DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_reminder_templates_code (code, locale),
    CONSTRAINT chk_reminder_templates_channel CHECK (channel IN ('email', 'sms', 'whatsapp'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE reminders (
    id             BIGINT UNSIGNED  NOT NULL AUTO_INCREMENT,
    appointment_id BIGINT UNSIGNED  NOT NULL,
    template_id    BIGINT UNSIGNED  NOT NULL,
    due_at         DATETIME         NOT NULL,
    status         VARCHAR(16)      NOT NULL DEFAULT 'scheduled',
    attempts       TINYINT UNSIGNED NOT NULL DEFAULT 0,
    sent_at        DATETIME         NULL,
    last_error     VARCHAR(255)     NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_reminders_once (appointment_id, template_id),
    KEY ix_reminders_due (status, due_at),
    KEY ix_reminders_template (template_id),
    CONSTRAINT fk_reminders_appointment FOREIGN KEY (appointment_id) REFERENCES appointments (id) ON DELETE CASCADE,
    CONSTRAINT fk_reminders_template FOREIGN KEY (template_id) REFERENCES reminder_templates (id),
    CONSTRAINT chk_reminders_status CHECK (status IN ('scheduled', 'sent', 'failed', 'cancelled'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
