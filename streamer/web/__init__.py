"""The operators' console and its API: pages, live pictures, alerts and what people do about them."""
