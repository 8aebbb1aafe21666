# by hand, with everything that people do
delimiter //
create procedure fill(in n int)
begin
  declare i int default 0;
  /* a block
     over lines; with a // in it */
  while i < n do
    insert into numbers (n, label) values (i, concat('n', i)); -- one
    set i = i + 1;
  end while;
end //
DELIMITER ;
CREATE TABLE numbers (n int PRIMARY KEY, label varchar(20) DEFAULT 'x', twice int AS (n * 2) VIRTUAL,
  CHECK (n >= 0)) COMMENT 'a; table';
CALL fill(5);
SELECT COUNT(*) FROM numbers;
SHOW TABLES;
CREATE TABLE copied AS SELECT n, label FROM numbers WHERE n > 1;
CREATE TABLE alike LIKE numbers;
INSERT INTO alike (n, label) SELECT n, label FROM numbers ON DUPLICATE KEY UPDATE label = VALUES(label);
CREATE TEMPORARY TABLE passing (a int);
INSERT INTO passing VALUES (1);
SET @a := (SELECT MAX(n) FROM numbers);
INSERT INTO numbers (n) VALUES (@a + 1);
UPDATE numbers SET label = 'five' WHERE n = 5;
DELETE FROM numbers WHERE n = 0;
CREATE SEQUENCE tickets START WITH 100 INCREMENT BY 10;
DO NEXTVAL(tickets);
CREATE TABLE versioned (a int) WITH SYSTEM VERSIONING;
INSERT INTO versioned VALUES (1);
CREATE TABLE parts (d date NOT NULL) PARTITION BY RANGE (YEAR(d)) (
  PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES ('1999-12-31'), ('2001-01-01');
CREATE VIEW labels AS SELECT label FROM numbers;
CREATE OR REPLACE VIEW labels AS SELECT label, n FROM numbers;
RENAME TABLE copied TO copy;
ALTER TABLE copy ADD COLUMN extra int, ADD UNIQUE KEY (n);
TRUNCATE TABLE alike;
INSERT INTO alike (n) VALUES (1); INSERT INTO alike (n) VALUES (2)
-- and no delimiter at the end