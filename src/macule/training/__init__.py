"""From a data folder and a recipe to a bundle. The only room that imports torch."""
