-- Agenda IA: what the business pays (subscriptions), what its clients pay, and what other systems are told.

SET NAMES utf8mb4;

CREATE TABLE subscriptions (
    id                 BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    plan_id            BIGINT UNSIGNED NOT NULL,
    status             VARCHAR(16)     NOT NULL,
    started_at         DATETIME        NOT NULL,
    current_period_end DATETIME        NOT NULL,
    cancelled_at       DATETIME        NULL,
    PRIMARY KEY (id),
    KEY ix_subscriptions_plan (plan_id),
    KEY ix_subscriptions_renewal (status, current_period_end),
    CONSTRAINT fk_subscriptions_plan FOREIGN KEY (plan_id) REFERENCES plans (id),
    CONSTRAINT chk_subscriptions_status CHECK (status IN ('trial', 'active', 'past_due', 'cancelled')),
    CONSTRAINT chk_subscriptions_period CHECK (started_at < current_period_end)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- `fiscal_uuid` is the folio of the tax authority (Mexico: the CFDI's UUID), once the invoice is stamped.
CREATE TABLE invoices (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    client_id      BIGINT UNSIGNED NOT NULL,
    appointment_id BIGINT UNSIGNED NULL,
    series         VARCHAR(16)     NOT NULL DEFAULT 'A',
    number         INT UNSIGNED    NOT NULL,
    fiscal_uuid    CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NULL,
    status         VARCHAR(16)     NOT NULL DEFAULT 'draft',
    currency       CHAR(3)         NOT NULL DEFAULT 'MXN',
    subtotal_cents INT UNSIGNED    NOT NULL,
    tax_cents      INT UNSIGNED    NOT NULL DEFAULT 0,
    total_cents    INT UNSIGNED    NOT NULL,
    issued_at      DATETIME        NULL,
    due_at         DATETIME        NULL,
    created_at     DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_invoices_number (series, number),
    UNIQUE KEY uq_invoices_fiscal_uuid (fiscal_uuid),
    KEY ix_invoices_client (client_id),
    KEY ix_invoices_appointment (appointment_id),
    KEY ix_invoices_due (status, due_at),
    CONSTRAINT fk_invoices_client FOREIGN KEY (client_id) REFERENCES clients (id),
    CONSTRAINT fk_invoices_appointment FOREIGN KEY (appointment_id) REFERENCES appointments (id) ON DELETE SET NULL,
    CONSTRAINT chk_invoices_status CHECK (status IN ('draft', 'issued', 'paid', 'cancelled')),
    CONSTRAINT chk_invoices_total CHECK (total_cents = subtotal_cents + tax_cents)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- A refund is a row of its own with a negative amount.
CREATE TABLE payments (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    invoice_id     BIGINT UNSIGNED NULL,
    appointment_id BIGINT UNSIGNED NULL,
    method         VARCHAR(16)     NOT NULL,
    amount_cents   INT             NOT NULL,
    currency       CHAR(3)         NOT NULL DEFAULT 'MXN',
    external_ref   VARCHAR(191)    NULL,
    received_by    BIGINT UNSIGNED NULL,
    paid_at        DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_payments_external (method, external_ref),
    KEY ix_payments_invoice (invoice_id),
    KEY ix_payments_appointment (appointment_id),
    KEY ix_payments_received_by (received_by),
    KEY ix_payments_paid (paid_at),
    CONSTRAINT fk_payments_invoice FOREIGN KEY (invoice_id) REFERENCES invoices (id),
    CONSTRAINT fk_payments_appointment FOREIGN KEY (appointment_id) REFERENCES appointments (id) ON DELETE SET NULL,
    CONSTRAINT fk_payments_received_by FOREIGN KEY (received_by) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT chk_payments_method CHECK (method IN ('cash', 'card', 'transfer', 'link', 'other')),
    CONSTRAINT chk_payments_amount CHECK (amount_cents <> 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- The outbox of the tenant's webhooks, written in the transaction of what it tells. `endpoint` is the
-- webhook's name in the tenant's spec; addresses and secrets are not kept in this database.
CREATE TABLE webhook_deliveries (
    id            BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
    endpoint      VARCHAR(64)       NOT NULL,
    event         VARCHAR(64)       NOT NULL,
    message_id    CHAR(36)          CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload       JSON              NOT NULL,
    status        VARCHAR(16)       NOT NULL DEFAULT 'pending',
    attempts      SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    next_try_at   DATETIME          NULL,
    response_code SMALLINT UNSIGNED NULL,
    created_at    DATETIME          NOT NULL DEFAULT CURRENT_TIMESTAMP,
    delivered_at  DATETIME          NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_webhook_deliveries_message (message_id, endpoint),
    KEY ix_webhook_deliveries_due (status, next_try_at),
    CONSTRAINT chk_webhook_deliveries_status CHECK (status IN ('pending', 'delivered', 'failed'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
