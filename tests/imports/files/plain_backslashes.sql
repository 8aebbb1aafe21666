SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES';
CREATE TABLE t (a varchar(20));
INSERT INTO t VALUES ('c:\'), ('it''s; \');
SET SESSION sql_mode = DEFAULT;
INSERT INTO t VALUES ('c:\\'), ('it\'s;');
