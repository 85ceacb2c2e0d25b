"Answers, durable and fast."
