"""A spec that was right before is made again without a check, and is the same."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import products
from reconciler.products.product import Product
from reconciler.spec import option

SAMPLES = {
    f"{product.name}-{number}": (product, data)
    for product in products.discover().values()
    for number, data in enumerate(product.samples())
}


@pytest.mark.parametrize(("product", "data"), SAMPLES.values(), ids=SAMPLES.keys())
def test_a_spec_is_restored_as_it_was_built(product: Product, data: dict[str, Any]) -> None:
    kind = product.tenant_kind
    built = kind.builder(data)
    assert kind.restorer(data) == built
    assert kind.restorer(option.plain(built)) == built
    assert repr(kind.restorer(data)) == repr(built)  # with the very types, 3 and not 3.0
