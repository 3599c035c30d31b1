// The product as a function that XLA can call.
#pragma once

// mseg_register_product makes the product known to a plugin under a name, given the plugin's table of functions; it returns why that failed, or NULL.
const char *mseg_register_product(const void *table, const char *name);
