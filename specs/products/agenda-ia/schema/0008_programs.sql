-- Agenda IA: views, routines, triggers and the nightly event.
--
-- No DEFINER is named: the account that imports this file, the tenant's own, is the definer of all of it.

SET NAMES utf8mb4;

CREATE VIEW upcoming_appointments AS
SELECT
    a.id,
    a.starts_at,
    a.ends_at,
    a.status,
    a.channel,
    a.client_id,
    c.name         AS client_name,
    c.phone        AS client_phone,
    a.staff_id,
    s.display_name AS staff_name,
    a.location_id,
    l.name         AS location_name,
    (
        SELECT COALESCE(SUM(x.price_cents * x.quantity), 0)
        FROM appointment_services AS x
        WHERE x.appointment_id = a.id
    ) AS services_cents
FROM appointments AS a
INNER JOIN clients AS c ON c.id = a.client_id
INNER JOIN staff AS s ON s.id = a.staff_id
INNER JOIN locations AS l ON l.id = a.location_id
WHERE a.starts_at >= UTC_TIMESTAMP() AND a.status IN ('pending', 'confirmed');

CREATE VIEW client_summary AS
SELECT
    c.id AS client_id,
    c.name,
    COUNT(a.id)                                                    AS appointments,
    COALESCE(SUM(a.status = 'no_show'), 0)                         AS no_shows,
    MAX(CASE WHEN a.status = 'completed' THEN a.starts_at END)     AS last_visit_at
FROM clients AS c
LEFT JOIN appointments AS a ON a.client_id = c.id
GROUP BY c.id, c.name;

DELIMITER $$

-- What the client owes for an appointment; never below 0.
CREATE FUNCTION appointment_total_cents(p_appointment_id BIGINT UNSIGNED)
RETURNS BIGINT
READS SQL DATA
SQL SECURITY DEFINER
BEGIN
    DECLARE v_services BIGINT DEFAULT 0;
    DECLARE v_discount BIGINT DEFAULT 0;

    SELECT COALESCE(SUM(price_cents * quantity), 0) INTO v_services
    FROM appointment_services
    WHERE appointment_id = p_appointment_id;

    SELECT COALESCE(MAX(discount_cents), 0) INTO v_discount
    FROM appointments
    WHERE id = p_appointment_id;

    RETURN GREATEST(v_services - v_discount, 0);
END$$

-- Whether nothing of the staff member's calendar touches [p_starts_at, p_ends_at).
CREATE FUNCTION staff_is_free(p_staff_id BIGINT UNSIGNED, p_starts_at DATETIME, p_ends_at DATETIME)
RETURNS BOOLEAN
READS SQL DATA
SQL SECURITY DEFINER
BEGIN
    RETURN NOT EXISTS (
        SELECT 1
        FROM appointments
        WHERE staff_id = p_staff_id
            AND starts_at < p_ends_at
            AND ends_at > p_starts_at
            AND status NOT IN ('cancelled', 'no_show')
    ) AND NOT EXISTS (
        SELECT 1
        FROM time_off
        WHERE staff_id = p_staff_id AND starts_at < p_ends_at AND ends_at > p_starts_at
    );
END$$

-- The slots of one opening, in UTC. The application turns the location's wall clock into UTC before it
-- asks, because servers often come without time zone tables and CONVERT_TZ then answers NULL.
CREATE PROCEDURE free_slots(
    IN p_staff_id BIGINT UNSIGNED,
    IN p_service_id BIGINT UNSIGNED,
    IN p_opens_at DATETIME,
    IN p_closes_at DATETIME
)
READS SQL DATA
SQL SECURITY DEFINER
BEGIN
    DECLARE v_step INT DEFAULT 15;
    DECLARE v_duration INT DEFAULT NULL;
    DECLARE v_needed INT DEFAULT NULL;

    SELECT COALESCE(MAX(slot_minutes), 15) INTO v_step FROM business_settings;

    SELECT MAX(COALESCE(o.duration_minutes, s.duration_minutes)),
           MAX(COALESCE(o.duration_minutes, s.duration_minutes) + s.buffer_minutes)
    INTO v_duration, v_needed
    FROM services AS s
    INNER JOIN staff_services AS o ON o.service_id = s.id AND o.staff_id = p_staff_id
    WHERE s.id = p_service_id AND s.active;

    WITH RECURSIVE slots AS (
        SELECT p_opens_at AS starts_at
        UNION ALL
        SELECT starts_at + INTERVAL v_step MINUTE
        FROM slots
        WHERE starts_at + INTERVAL v_step MINUTE < p_closes_at
    )
    SELECT starts_at, starts_at + INTERVAL v_duration MINUTE AS ends_at
    FROM slots
    WHERE starts_at + INTERVAL v_needed MINUTE <= p_closes_at
        AND staff_is_free(p_staff_id, starts_at, starts_at + INTERVAL v_needed MINUTE)
    ORDER BY starts_at;
END$$

CREATE TRIGGER appointments_made
AFTER INSERT ON appointments
FOR EACH ROW
BEGIN
    INSERT INTO appointment_history (
        appointment_id, old_status, new_status, old_starts_at, new_starts_at, changed_by, changed_at
    ) VALUES (NEW.id, NULL, NEW.status, NULL, NEW.starts_at, NEW.updated_by, UTC_TIMESTAMP());
END$$

CREATE TRIGGER appointments_changed
AFTER UPDATE ON appointments
FOR EACH ROW
BEGIN
    IF NEW.status <> OLD.status OR NEW.starts_at <> OLD.starts_at THEN
        INSERT INTO appointment_history (
            appointment_id, old_status, new_status, old_starts_at, new_starts_at, changed_by, changed_at
        ) VALUES (NEW.id, OLD.status, NEW.status, OLD.starts_at, NEW.starts_at, NEW.updated_by, UTC_TIMESTAMP());
    END IF;
    IF NEW.status IN ('cancelled', 'no_show') AND NEW.status <> OLD.status THEN
        UPDATE reminders SET status = 'cancelled' WHERE appointment_id = NEW.id AND status = 'scheduled';
    END IF;
END$$

CREATE TRIGGER messages_sent
AFTER INSERT ON messages
FOR EACH ROW
BEGIN
    UPDATE conversations SET last_message_at = NEW.sent_at WHERE id = NEW.conversation_id;
END$$

-- Every night. A start in the past, written out, makes equal tenants have equal events.
CREATE EVENT purge_expired_sessions
ON SCHEDULE EVERY 1 DAY STARTS '2024-01-01 09:15:00'
ON COMPLETION PRESERVE
COMMENT 'Deletes sessions a week after they expired or were revoked'
DO
BEGIN
    DELETE FROM sessions WHERE expires_at < UTC_TIMESTAMP() - INTERVAL 7 DAY;
    DELETE FROM sessions WHERE revoked_at < UTC_TIMESTAMP() - INTERVAL 7 DAY;
END$$

DELIMITER ;
