CREATE TABLE t (id int PRIMARY KEY, b blob);
INSERT INTO t VALUES (1, _binary 'ÿş;€\'\0'), (2, _binary 'Ã(');
