"""The statements of Wendin and Altafini as residuals, one file for each section."""
