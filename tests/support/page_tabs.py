"""Tabs of the live page in a real Chromium, and waiting in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP, PHONE = (1440, 960), (390, 844)
ERRORS: list[str] = []  # of the page's script; the fixture ``browser`` looks that there are none


def opened(browser: Browser, url: str, size: tuple[int, int] = DESKTOP, scheme: Any = "light") -> Page:
    """A tab that shows the page; errors of its script are kept in ``ERRORS``."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.on("pageerror", lambda error: ERRORS.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#heat")
    page.wait_for_selector("#list button")
    return page


def until(page: Page, condition: str) -> None:
    """Wait for a condition; not by Playwright's own loop, which the page's security policy forbids."""
    for _ in range(150):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"15 s without {condition}")
