"""The plugin contract (`fledge.hooks.spec`) and its manager (`fledge.hooks.manager`)."""
