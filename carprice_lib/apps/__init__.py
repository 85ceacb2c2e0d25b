"What people open: the page, the dashboard, the Space."
