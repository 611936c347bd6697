/* Focal loss as a program that focal-ref check --command can ask: a line of JSON in, a line out.
   cc -O2 -o focal focal.c -lm && focal-ref check --command ./focal */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of a key, right behind its colon; numbers that are words ("nan", "inf") stand in quotes, which strtod is to skip. */
static const char *after(const char *line, const char *key) {
    const char *found = strstr(line, key);
    return found ? strchr(found + strlen(key), ':') + 1 : NULL;
}

static double number(const char **at) {
    char *end;
    while (strchr(" ,[\"", **at)) ++*at;
    double x = strtod(*at, &end);
    *at = end;
    return x;
}

static void list(const char *name, const double *x, long n) {
    printf(", \"%s\": [", name);
    for (long i = 0; i < n; i++)
        printf(isfinite(x[i]) ? "%s%.17g" : "%s\"%g\"", i ? ", " : "", x[i]);
    printf("]");
}

/* -log p and 1 - p of a margin, each without cancellation. */
static double nll(double z) { return fmax(-z, 0) + log1p(exp(-fabs(z))); }
static double complement(double z) { return z > 0 ? exp(-z) / (1 + exp(-z)) : 1 / (1 + exp(z)); }

int main(void) {
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        const char *at = after(line, "\"n\"");
        long n = strtol(at, NULL, 10), id = strtol(after(line, "\"id\""), NULL, 10);
        at = after(line, "\"gamma\"");
        double gamma = number(&at), *value = malloc(n * sizeof *value + 1), *grad = malloc(n * sizeof *grad + 1);
        if (!strstr(line, "\"sigmoid\"")) {
            printf("{\"id\": %ld, \"error\": \"sigmoid only\"}\n", id);
        } else {
            const char *logits = after(line, "\"logits\""), *targets = after(line, "\"targets\"");
            for (long i = 0; i < n; i++) {
                double x = number(&logits), sign = number(&targets) == 1 ? 1 : -1, z = sign * x;
                double u = complement(z), l = nll(z), p = complement(-z), pl = p > 0 ? p * l : 0;
                value[i] = u > 0 ? pow(u, gamma) * l : 0;
                grad[i] = -sign * pow(u, gamma) * (gamma * pl + u);
                if (isnan(x)) value[i] = grad[i] = x;
            }
            printf("{\"id\": %ld", id);
            list("value", value, n);
            list("grad", grad, n);
            printf("}\n");
        }
        fflush(stdout);
        free(value);
        free(grad);
    }
    free(line);
    return 0;
}
