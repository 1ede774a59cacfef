-- What users said the columns of a table mean, by its header: applied to the next file with the same one.
CREATE TABLE column_meanings (
    signature VARCHAR PRIMARY KEY,
    meanings VARCHAR NOT NULL,
    file_name VARCHAR NOT NULL,
    said_at TIMESTAMP NOT NULL
);
