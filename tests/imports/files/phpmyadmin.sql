-- phpMyAdmin SQL Dump
-- version 5.2.1
-- Servidor: localhost:3306
SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
START TRANSACTION;
SET time_zone = "+00:00";

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;

DELIMITER $$
--
-- Procedimientos
--
CREATE DEFINER=`root`@`localhost` PROCEDURE `touch` (IN `n` INT)   BEGIN
  UPDATE feeds SET seen = n; -- done
END$$

CREATE DEFINER=`root`@`localhost` FUNCTION `one` () RETURNS INT(11) NO SQL RETURN 1$$

DELIMITER ;

-- --------------------------------------------------------

CREATE TABLE `feeds` (
  `id` int(10) UNSIGNED NOT NULL,
  `xml` mediumtext NOT NULL,
  `seen` int(11) DEFAULT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO `feeds` (`id`, `xml`, `seen`) VALUES
(1, '<?xml version=\"1.0\"?>\r\n<a b=\"c;d\">&lt;x&gt;; &amp;nbsp; -- # /* </a>;\r\n', NULL),
(2, '<style>a { color: red; }</style>', 3);

--
-- Disparadores `feeds`
--
DELIMITER $$
CREATE TRIGGER `feeds_bu` BEFORE UPDATE ON `feeds` FOR EACH ROW SET NEW.seen = OLD.seen + 1
$$
DELIMITER ;

ALTER TABLE `feeds`
  ADD PRIMARY KEY (`id`);
ALTER TABLE `feeds`
  MODIFY `id` int(10) UNSIGNED NOT NULL AUTO_INCREMENT, AUTO_INCREMENT=3;
COMMIT;

/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
