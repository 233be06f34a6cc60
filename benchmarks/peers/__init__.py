"""The same problems in other libraries, each written as a good user of it would."""
