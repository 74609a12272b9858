"""A read feed by OData 4.01 (OASIS): what Excel, Power BI and others open without code of ours."""
