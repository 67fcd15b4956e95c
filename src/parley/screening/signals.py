"""Every signal that the judge can measure, in the order in which they run.

To add one, write its function in the `..._signals.py` file of its kind and list it there: rules can name its
fields at once, and no caller changes.
"""

from __future__ import annotations

from parley.screening.bank_signals import BANK_SIGNALS
from parley.screening.context_signals import CONTEXT_SIGNALS
from parley.screening.form_signals import FORM_SIGNALS
from parley.screening.media_signals import MEDIA_SIGNALS
from parley.screening.signal import Signal
from parley.screening.text_signals import TEXT_SIGNALS

SIGNALS: tuple[Signal, ...] = (*FORM_SIGNALS, *CONTEXT_SIGNALS, *BANK_SIGNALS, *MEDIA_SIGNALS, *TEXT_SIGNALS)
