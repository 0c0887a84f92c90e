"""Import every module of the installed package: a dependency that is too old, or missing, shows at once."""

import importlib
import pkgutil
import sys

import tuilabel

failed = []
names = [module.name for module in pkgutil.walk_packages(tuilabel.__path__, "tuilabel.")]
for name in names:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed.append(f"{name}: {type(error).__name__}: {error}")
print(f"Python {sys.version.split()[0]}: {len(names) - len(failed)} of {len(names)} modules can be imported")
sys.exit("\n".join(failed) or None)
