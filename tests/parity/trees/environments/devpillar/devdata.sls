dev: true
a: dev
