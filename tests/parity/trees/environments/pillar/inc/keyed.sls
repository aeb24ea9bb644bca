value: {{ d }}
