"""What the settings say that a credit is worth in a currency."""

from django.conf import settings

from lilong.common.money import PPM
from lilong.common.rates import Rate


def list_rates() -> list[Rate]:
    """Return what the settings say that a credit is worth."""
    return [
        Rate(
            currency=each.currency,
            millionths=int(each.per_credit * PPM),
            valid_from=each.valid_from,
            source=each.source,
            is_example=each.is_example,
        )
        for each in settings.LILONG.credit_rates
    ]
