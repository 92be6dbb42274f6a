CREATE DATABASE drupal;
\connect drupal
CREATE EXTENSION pg_trgm;
