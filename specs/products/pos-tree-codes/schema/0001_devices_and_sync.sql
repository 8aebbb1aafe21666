-- POS Tree Codes: the database through which a shop's devices are kept in step.
--
-- The files of this folder are read in the order of their names, once, into an empty database, as the
-- tenant's own account. Put new tables in a new file with the next number.
--
-- Devices work offline, so rows that they make have a UUID that they draw themselves (version 7: it grows
-- with time, which keeps the index dense). All DATETIME values are UTC. Amounts of money are whole cents,
-- quantities have three decimals (kilograms, liters, pieces).

SET NAMES utf8mb4;

CREATE TABLE stores (
    id           CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    code         VARCHAR(32)  NOT NULL,
    name         VARCHAR(200) NOT NULL,
    address_line VARCHAR(255) NULL,
    timezone     VARCHAR(64)  NOT NULL DEFAULT 'America/Mexico_City',
    created_at   DATETIME     NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_stores_code (code)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- `name` is the device's name in the license. Whether it may work at all is the license's to say; `status`
-- only stops its synchronization.
CREATE TABLE devices (
    id              CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    store_id        CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NULL,
    name            VARCHAR(128) NOT NULL,
    status          VARCHAR(16)  NOT NULL DEFAULT 'active',
    app_version     VARCHAR(32)  NULL,
    public_key      VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL,
    registered_at   DATETIME     NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_seen_at    DATETIME     NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_devices_name (name),
    KEY ix_devices_store (store_id),
    CONSTRAINT fk_devices_store FOREIGN KEY (store_id) REFERENCES stores (id) ON DELETE SET NULL,
    CONSTRAINT chk_devices_status CHECK (status IN ('active', 'paused', 'retired'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- One upload or download. The id is the device's: a batch that is sent again after a lost reply is
-- recognized by it.
CREATE TABLE sync_batches (
    id          CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    device_id   CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    direction   VARCHAR(8)   NOT NULL,
    status      VARCHAR(16)  NOT NULL DEFAULT 'open',
    row_count   INT UNSIGNED NOT NULL DEFAULT 0,
    started_at  DATETIME     NOT NULL DEFAULT CURRENT_TIMESTAMP,
    finished_at DATETIME     NULL,
    last_error  VARCHAR(255) NULL,
    PRIMARY KEY (id),
    KEY ix_sync_batches_device (device_id, started_at),
    KEY ix_sync_batches_status (status),
    CONSTRAINT fk_sync_batches_device FOREIGN KEY (device_id) REFERENCES devices (id),
    CONSTRAINT chk_sync_batches_direction CHECK (direction IN ('push', 'pull')),
    CONSTRAINT chk_sync_batches_status CHECK (status IN ('open', 'applied', 'failed'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- The feed that devices pull: what changed, in order. Triggers write it for products; whatever applies a
-- batch writes it for the rest.
CREATE TABLE sync_changes (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    entity     VARCHAR(32)     NOT NULL,
    entity_id  VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    operation  VARCHAR(8)      NOT NULL,
    changed_at DATETIME        NOT NULL,
    PRIMARY KEY (id),
    KEY ix_sync_changes_entity (entity, id),
    CONSTRAINT chk_sync_changes_operation CHECK (operation IN ('insert', 'update', 'delete'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- How far each device has read the feed, an entity at a time.
CREATE TABLE sync_cursors (
    device_id      CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    entity         VARCHAR(32)     NOT NULL,
    last_change_id BIGINT UNSIGNED NOT NULL DEFAULT 0,
    updated_at     DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (device_id, entity),
    CONSTRAINT fk_sync_cursors_device FOREIGN KEY (device_id) REFERENCES devices (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Two devices changed the same row: both versions are kept until a person or a rule has chosen.
CREATE TABLE sync_conflicts (
    id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    batch_id      CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    entity        VARCHAR(32)     NOT NULL,
    entity_id     VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    stored_row    JSON            NOT NULL,
    received_row  JSON            NOT NULL,
    resolution    VARCHAR(16)     NOT NULL DEFAULT 'open',
    created_at    DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    resolved_at   DATETIME        NULL,
    PRIMARY KEY (id),
    KEY ix_sync_conflicts_batch (batch_id),
    KEY ix_sync_conflicts_open (resolution, created_at),
    CONSTRAINT fk_sync_conflicts_batch FOREIGN KEY (batch_id) REFERENCES sync_batches (id),
    CONSTRAINT chk_sync_conflicts_resolution CHECK (resolution IN ('open', 'stored', 'received', 'merged'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
