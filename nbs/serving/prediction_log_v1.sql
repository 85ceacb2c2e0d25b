BEGIN TRANSACTION;
CREATE TABLE alerts (
	id VARCHAR(32) NOT NULL, 
	rule VARCHAR(32) NOT NULL, 
	subject TEXT NOT NULL, 
	opened FLOAT NOT NULL, 
	closed FLOAT, 
	value FLOAT, 
	"limit" FLOAT, 
	why TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "alerts" VALUES('01a220b3b5d713193f742466257fdf3b','errors','',1793534400.0,NULL,0.196,0.05,'19.6% of 1,240 requests failed; 5% are allowed.');
CREATE TABLE carprice_log (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "carprice_log" VALUES(1);
CREATE TABLE deliveries (
	id VARCHAR(32) NOT NULL, 
	alert VARCHAR(32) NOT NULL, 
	event VARCHAR(8) NOT NULL, 
	receiver VARCHAR(16) NOT NULL, 
	at FLOAT NOT NULL, 
	done FLOAT, 
	tries INTEGER NOT NULL, 
	error TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "deliveries" VALUES('01a220b3b5d86a600275e2e409d88191','01a220b3b5d713193f742466257fdf3b','opened','none',1793534400.0,1.79584497813800764076e+09,1,NULL);
CREATE TABLE feedback (
	id VARCHAR(32) NOT NULL, 
	price FLOAT NOT NULL, 
	sold_on VARCHAR(10), 
	at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "feedback" VALUES('01a196fb160000000000000000000000',10800.5,'2026-11-09',1.79584497812640547752e+09);
CREATE TABLE minutes (
	minute BIGINT NOT NULL, 
	worker VARCHAR(16) NOT NULL, 
	requests INTEGER NOT NULL, 
	errors INTEGER NOT NULL, 
	slowest FLOAT NOT NULL, 
	buckets TEXT NOT NULL, 
	PRIMARY KEY (minute, worker)
);
INSERT INTO "minutes" VALUES(29892240,'0f3c21aa0f3c21aa',3,1,0.7,'[0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]');
CREATE TABLE predictions (
	id VARCHAR(32) NOT NULL, 
	at FLOAT NOT NULL, 
	request VARCHAR(64), 
	source VARCHAR(16), 
	model VARCHAR(64), 
	level FLOAT, 
	price FLOAT, 
	low FLOAT, 
	high FLOAT, 
	abstained TEXT, 
	wider TEXT, 
	asked FLOAT, 
	label VARCHAR(16), 
	ms FLOAT, 
	listing TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "predictions" VALUES('01a196fb160000000000000000000000',1793534400.0,'r-0','api','3-0f3c21aa',0.9,11155.5,9152.25,13612.75,'the range is too wide','["the trim is not given, so the range is wider"]',9000.0,'great',1.25,'{"brand": "Citroën", "model": "C3", "year": 2018, "km_driven": 45000, "fuel": "Petrol", "transmission": "Manual"}');
INSERT INTO "predictions" VALUES('01a196fc006000000000000000000001',1793534460.25,'r-1','api','3-0f3c21aa',0.9,11156.5,9152.25,13612.75,'','["the trim is not given, so the range is wider"]',9001.0,'great',1.25,'{"brand": "Citroën", "model": "C3", "year": 2018, "km_driven": 45000, "fuel": "Petrol", "transmission": "Manual"}');
CREATE INDEX ix_predictions_at ON predictions (at);
CREATE UNIQUE INDEX alerts_open ON alerts (rule, subject) WHERE closed IS NULL;
CREATE INDEX ix_deliveries_done ON deliveries (done);
COMMIT;
