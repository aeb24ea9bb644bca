more: included
from_more: 1
