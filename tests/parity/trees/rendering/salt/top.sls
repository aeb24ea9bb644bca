base: {'*': [jinja]}
