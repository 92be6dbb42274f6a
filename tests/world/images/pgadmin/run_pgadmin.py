# What gunicorn serves: pgAdmin, told that it is a server and not somebody's desktop.
import builtins

builtins.SERVER_MODE = True

from pgAdmin4 import app  # noqa: E402,F401
