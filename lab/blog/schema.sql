CREATE DATABASE blog DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
USE blog;

CREATE TABLE users (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  op CHAR(26) CHARACTER SET ascii NOT NULL,
  email VARCHAR(190) NOT NULL,
  token CHAR(26) CHARACTER SET ascii NOT NULL,
  created_at DATETIME(6) NOT NULL,
  confirmed_op CHAR(26) CHARACTER SET ascii NULL,
  confirmed_at DATETIME(6) NULL,
  UNIQUE KEY email (email),
  KEY token (token),
  KEY op (op)
) ENGINE=InnoDB;

CREATE TABLE posts (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  op CHAR(26) CHARACTER SET ascii NOT NULL,
  title VARCHAR(200) NOT NULL,
  body MEDIUMTEXT NOT NULL,
  rating FLOAT NULL,
  created_at DATETIME(6) NOT NULL,
  title_length INT AS (CHAR_LENGTH(title)) STORED,
  KEY op (op),
  KEY created (created_at)
) ENGINE=InnoDB;

CREATE TABLE comments (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  post_id BIGINT UNSIGNED NOT NULL,
  body TEXT NOT NULL,
  CONSTRAINT comment_of_post FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE
) ENGINE=InnoDB;

CREATE TABLE likes (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  op CHAR(26) CHARACTER SET ascii NOT NULL,
  created_at DATETIME(6) NOT NULL,
  KEY op (op)
) ENGINE=InnoDB;

CREATE TABLE tallies (
  name VARCHAR(40) NOT NULL PRIMARY KEY,
  n BIGINT NOT NULL
) ENGINE=InnoDB;
INSERT INTO tallies VALUES ('likes', 0);

CREATE TABLE nightly (
  day DATE NOT NULL PRIMARY KEY,
  posts BIGINT NOT NULL
) ENGINE=InnoDB;

CREATE VIEW recent AS SELECT id, title FROM posts ORDER BY id DESC LIMIT 10;

CREATE EVENT count_posts ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:00:00'
  DO REPLACE INTO nightly SELECT CURRENT_DATE, COUNT(*) FROM posts;

-- What a blog of some years holds: posts with comments.
INSERT INTO posts (op, title, body, rating, created_at)
  SELECT LPAD(seq, 26, '0'), CONCAT('Post ', seq, ' – ', SHA1(seq)), REPEAT(CONCAT(SHA2(seq, 512), ' ☃ '), 8), seq / 7, '2020-01-01' + INTERVAL seq MINUTE
  FROM seq_1_to_20000;
INSERT INTO comments (post_id, body) SELECT id, CONCAT('first! ', MD5(id)) FROM posts WHERE id % 3 = 0;
INSERT INTO users (op, email, token, created_at, confirmed_op, confirmed_at)
  SELECT LPAD(seq, 26, '0'), CONCAT('reader', seq, '@example.org'), LPAD(seq, 26, 'T'), '2020-01-01', LPAD(seq, 26, '0'), '2020-01-02'
  FROM seq_1_to_5000;
