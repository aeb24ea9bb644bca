web:
  port: 80
  sites: {a: {root: /a}, b: {root: /b}}
  list: [3, 1, 2]
text: |
  two
  lines
quoted: "it's"
nothing: ~
flag: yes
number: 0o17
octal: 017
date: 2020-01-02
float: 1e3
