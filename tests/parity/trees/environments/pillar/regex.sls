regex: true
