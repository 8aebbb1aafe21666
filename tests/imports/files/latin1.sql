SET NAMES latin1;
CREATE TABLE t (a varchar(20) COMMENT 'año', b blob) DEFAULT CHARSET=latin1;
INSERT INTO t VALUES ('niño', 'ñ'), ('ÿ', x'ff');
CREATE PROCEDURE p() SELECT 'ü';
