-- POS Tree Codes: views and triggers, and the rows without which nothing can be sold.
--
-- No DEFINER is named: the account that imports this file, the tenant's own, is the definer of all of it.

SET NAMES utf8mb4;

CREATE VIEW stock_status AS
SELECT
    l.store_id,
    s.name                  AS store_name,
    l.product_id,
    p.sku,
    p.name                  AS product_name,
    l.quantity,
    l.minimum,
    l.quantity < l.minimum  AS is_low
FROM stock_levels AS l
INNER JOIN stores AS s ON s.id = l.store_id
INNER JOIN products AS p ON p.id = l.product_id
WHERE p.tracked AND p.deleted_at IS NULL;

CREATE VIEW sync_status AS
SELECT
    d.id                                AS device_id,
    d.name,
    d.status,
    d.last_seen_at,
    MAX(b.finished_at)                  AS last_batch_at,
    COALESCE(SUM(b.status = 'failed'), 0) AS failed_batches
FROM devices AS d
LEFT JOIN sync_batches AS b ON b.device_id = d.id
GROUP BY d.id, d.name, d.status, d.last_seen_at;

DELIMITER //

CREATE TRIGGER stock_moves_counted
AFTER INSERT ON stock_moves
FOR EACH ROW
BEGIN
    INSERT INTO stock_levels (store_id, product_id, quantity)
    VALUES (NEW.store_id, NEW.product_id, NEW.quantity)
    ON DUPLICATE KEY UPDATE quantity = quantity + NEW.quantity;
END//

CREATE TRIGGER products_made
AFTER INSERT ON products
FOR EACH ROW
BEGIN
    INSERT INTO sync_changes (entity, entity_id, operation, changed_at)
    VALUES ('product', NEW.id, 'insert', UTC_TIMESTAMP());
END//

CREATE TRIGGER products_versioned
BEFORE UPDATE ON products
FOR EACH ROW
BEGIN
    SET NEW.version = OLD.version + 1;
END//

CREATE TRIGGER products_changed
AFTER UPDATE ON products
FOR EACH ROW
BEGIN
    INSERT INTO sync_changes (entity, entity_id, operation, changed_at)
    VALUES (
        'product',
        NEW.id,
        CASE WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL THEN 'delete' ELSE 'update' END,
        UTC_TIMESTAMP()
    );
END//

DELIMITER ;

INSERT INTO taxes (code, name, rate_percent) VALUES
    ('IVA16', 'IVA 16 %', 16),
    ('IVA8', 'IVA 8 % (zona fronteriza)', 8),
    ('IVA0', 'IVA 0 %', 0),
    ('EXENTO', 'Exento de IVA', 0);

INSERT INTO price_lists (code, name, currency) VALUES ('publico', 'Precio al público', 'MXN');
