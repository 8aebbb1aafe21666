CREATE TABLE t (a varchar(40) DEFAULT 'two
lines') COMMENT 'two
lines';
DELIMITER $$
CREATE PROCEDURE p()
BEGIN
  -- gone
  SELECT 'two
lines';
END
$$
DELIMITER ;
INSERT INTO t VALUES ('x
y'), ('\r\n');
