"MLflow, the loop of retraining, the schedule."
