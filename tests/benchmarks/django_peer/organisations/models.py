# mypy: ignore-errors
"""The tenants, as django-tenants keeps them."""

from django_tenants.models import DomainMixin, TenantMixin


class Organisation(TenantMixin):
    pass


class Domain(DomainMixin):
    pass
