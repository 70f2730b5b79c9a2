"""The toolkit of all our pages: one application, one look, one way to ask who may see what.

It knows no account and no database: who visits, and the engine that the pages work under, are given to it by the
process that serves them (console, support site). How a feature makes a page: docs/areas/web.md.
"""

from chukan.platform.web.forms import BaseForm
from chukan.platform.web.here import Here, Visitor, here
from chukan.platform.web.pages import PageSet
from chukan.platform.web.responses import done, page

__all__ = ["BaseForm", "Here", "PageSet", "Visitor", "done", "here", "page"]
