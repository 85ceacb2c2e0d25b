"A used-car valuation lab: `from carprice_lib import PriceModel, prepare, ...`; each name is in one subpackage only, and loaded when it is asked for."

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .data.prepare import prepare as prepare
    from .data.synthetic import simulate as simulate
    from .errors import CarpriceError as CarpriceError
    from .evaluation.metrics import interval_metrics as interval_metrics
    from .evaluation.metrics import price_metrics as price_metrics
    from .model.price_model import PriceModel as PriceModel
    from .model.price_model import Valuation as Valuation
    from .model.valuation import depreciation as depreciation
    from .serving.service import Service as Service

__version__ = "0.2.0"

_PLACES = {
    "CarpriceError": "errors",
    "PriceModel": "model.price_model",
    "Service": "serving.service",
    "Valuation": "model.price_model",
    "depreciation": "model.valuation",
    "interval_metrics": "evaluation.metrics",
    "prepare": "data.prepare",
    "price_metrics": "evaluation.metrics",
    "simulate": "data.synthetic",
}
__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    "Load what is asked for: no command waits for what it does not use."
    if name not in _PLACES:
        raise AttributeError(f"module 'carprice_lib' has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
