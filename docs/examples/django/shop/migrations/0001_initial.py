"""The first tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates the orders."""

    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("customer", models.CharField(max_length=100)),
                ("confirmations", models.IntegerField(default=0)),
            ],
        )
    ]
