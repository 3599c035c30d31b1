// The product as a function that XLA can call.
#pragma once

#define MSEG_PRODUCT_TARGET "mseg.product"

// mseg_register_product makes the product known to a plugin, given its table of functions; it returns why that failed, or NULL.
const char *mseg_register_product(const void *table);
