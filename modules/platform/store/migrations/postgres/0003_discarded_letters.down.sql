DROP TABLE discarded_letters;
