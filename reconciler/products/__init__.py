"""The products, each a whole provisioning service in a file of its own, found by looking into this folder.

Other people's packages add theirs by an entry point in the group ``reconciler.products`` that names a module.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import pkgutil
import sys
from types import ModuleType

from reconciler import errors
from reconciler.products.product import Product

GROUP = "reconciler.products"


def discover() -> dict[str, Product]:
    """Every product by its name. Errors: ``PlatformMisconfigured`` for two of one name, or a module without one."""
    return dict(_found(tuple(sys.path)))


@functools.lru_cache(maxsize=1)
def _found(_path: tuple[str, ...]) -> dict[str, Product]:
    """Looked for once a process, for every installed package has to be asked; again where Python looks elsewhere."""
    modules = [importlib.import_module(f"{__name__}.{entry.name}") for entry in pkgutil.iter_modules(__path__)]
    found = {module.PRODUCT.name: module.PRODUCT for module in modules if hasattr(module, "PRODUCT")}
    for point in importlib.metadata.entry_points(group=GROUP):
        product = _loaded(point)
        if product.name in found and found[product.name] is not product:
            raise errors.PlatformMisconfigured(
                f"two products are called {product.name}: the entry point {point.value} adds the second"
            )
        found[product.name] = product
    return dict(sorted(found.items()))


def _loaded(point: importlib.metadata.EntryPoint) -> Product:
    module = point.load()
    product = getattr(module, "PRODUCT", None) if isinstance(module, ModuleType) else module
    if not isinstance(product, Product):
        raise errors.PlatformMisconfigured(f"the entry point {point.value} in {GROUP} names no product")
    return product
