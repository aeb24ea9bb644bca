include: [web]
server: {test.nop: [{require: [{sls: web}]}]}
