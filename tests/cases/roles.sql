-- Roles of the cluster: the one pgcordon connects as, and the people as native roles for comparison.
CREATE ROLE pgcordon LOGIN PASSWORD 'pgcordon_pw';
CREATE ROLE rita LOGIN PASSWORD 'rita_pw';
CREATE ROLE ralf LOGIN PASSWORD 'ralf_pw';
CREATE ROLE max LOGIN PASSWORD 'max_pw';
