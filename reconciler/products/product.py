"""What a product is to the rest of the house: its kinds of documents, its rules, its names, and its flow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model.given import Given
from reconciler.model.step import Step
from reconciler.model.tenant import Tenant
from reconciler.resources.resource import Resource
from reconciler.spec.document import Document
from reconciler.spec.kind import Kind
from reconciler.spec.tree import Tree

Flow = Iterator[Step[Resource]]


class Product(ABC):
    """One product. A module in this package (or an entry point in the group ``reconciler.products``) has one instance
    of a subclass under the name ``PRODUCT``; nothing else has to know of it.
    """

    name: ClassVar[str]
    """The product's word in specs' folders, plans and the central system, as in ``agenda-ia``."""

    catalogue_kind: ClassVar[Kind]
    """The product's own document: what it is called on servers, and what it sells."""

    tenant_kind: ClassVar[Kind]
    """A tenant's document."""

    parts: ClassVar[bool] = False
    """Whether a tenant can give up its database and live on. The flow then shuts the ``former`` one that it is told of,
    and opens it again when the spec asks for a database; what may go, and when, is not the product's to say.
    """

    @abstractmethod
    def rules(self, tree: Tree) -> Iterator[errors.Fault]:
        """What no schema can say about this product's documents."""

    @abstractmethod
    def database(self, name: str, spec: Any, catalogue: Any) -> str:
        """The database of the tenant ``name``; empty if this one has none."""

    def reads(self, root: Path, catalogue: Any) -> str | None:
        """A digest over every file that the flow, the removal and the restoration read for a tenant, and over whatever
        else they stand on besides tenant, record and look; paths are below ``root``. None: nobody can tell, and every
        plan of the product's tenants is made anew. What such a product's own code is, is part of it, unless it is here.
        """
        return None

    def claims(self, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What a tenant with this spec (plain data) holds for itself alone, as (what, value): ("domain", …).

        Two specs that claim the same are a fault; this also keeps it from a tenant whose spec is gone and who still
        has it.
        """
        return iter(())

    def words(self, document: Document, catalogue: Any) -> Iterable[str] | None:
        """Everything of a tenant's document that the product's ``rules`` compare with other tenants' documents, as they
        compare it: where no two tenants have a word in common, and there is no fault in any of them alone, there is
        none between them. None: nobody can tell, and the rules are asked of all tenants whenever one has changed.
        """
        return None

    @abstractmethod
    def flow(self, tenant: Tenant[Any, Any], given: Given) -> Flow:
        """Everything that a ready tenant has, in the order in which it is made."""

    @abstractmethod
    def removal(self, tenant: Tenant[Any, Any], given: Given) -> Flow:
        """What a tenant in the trash is: shut, asleep, withdrawn and hidden, with all that it has kept."""

    @abstractmethod
    def restoration(self, tenant: Tenant[Any, Any], given: Given) -> Flow:
        """What takes a tenant out of the trash exactly as it was; its spec is the one that it was trashed with."""

    @abstractmethod
    def samples(self) -> Iterator[dict[str, Any]]:
        """Valid specs of tenants that between them take every branch of the flow, for tests and documentation."""

    def catalogue(self, tree: Tree) -> Document | None:
        """The product's own document, if it is there and valid."""
        document = tree.one(self.catalogue_kind.name)
        return document if document is not None and document.spec is not None else None
